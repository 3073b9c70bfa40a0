"""Clients of the HTTP service: Python, LangChain, LlamaIndex. They know its paths and its JSON, not its code."""
