"""One vLLM server: its GPUs and ports, its command line, its process under guard, its health."""
