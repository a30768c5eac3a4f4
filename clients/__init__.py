"""What a device does with one request: decode, train, evaluate, encode, keep state."""
