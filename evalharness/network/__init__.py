"""The native engine of local models: configuration, checkpoint, tokenizer, decoder, ranking, generation."""
