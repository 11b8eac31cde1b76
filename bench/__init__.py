"""What is measured, and against what: every figure stands beside its peer or its limit, measured in the same run.

A machine is rarely idle, so nothing here is a bare number where a ratio can be had: what is compared takes turns in
short rounds, and the middle of the rounds' ratios is told. Where processor time is what counts, it is told too: it
stays the same when others use the machine.

    python -m bench                   all rows
    python -m bench status submit     some
    python -m bench --write           and keep the table in docs/performance.md
"""
