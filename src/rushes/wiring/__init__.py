"""The only place that knows concrete classes: it makes a house out of settings.

    catalogue   cards, held against the engines that serve them
    folder      the data folder: lock, secret, first key
    house       ledger, store, service
    serve       `rushes serve`: HTTP, intake, sweep, and the workers as child processes
    work        `rushes worker`, and the child process that serve starts
    local       a house in a temporary folder, for one job without a server

Each is imported by the command that needs it, so that `rushes models` never loads a database driver.
"""
