"""The native engine: decoder, tokenizer, log-likelihoods and generation."""
