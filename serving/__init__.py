"""The HTTP service: one process answers from one complete release at a time, and follows the champion."""
