"""From a trained folder to what other programs read: Ollama, llama.cpp, a model card, the hub."""
