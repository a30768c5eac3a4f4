"""Energy and carbon: formulas with ranges, published models, power management, and meters."""
