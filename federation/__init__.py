"""What both sides must agree on: scenario, messages, arrays, codecs, data, models, results."""
