"""How much does it cost to follow a rule? The study behind docs/regret.md."""
