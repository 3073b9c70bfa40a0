"""The workflows behind jobs and commands, and what the stages share."""
