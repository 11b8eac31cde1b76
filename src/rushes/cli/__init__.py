"""The `rushes` command.

`app.py` puts the commands together; each file beside it holds the commands of one errand. What is heavy is imported
by the command that needs it, so that `rushes models` and shell completion answer at once.
"""


def main() -> None:
    from rushes.cli.app import app

    app()
