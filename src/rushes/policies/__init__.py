"""Policies: what an operator lets through.

base        the seam: a policy is asked about a case and gives a verdict
panel       asks all of them, within their time, and writes every decision down
blocklist   a small one: words and patterns that a prompt must not have
"""
