"""Charts as plain values: what is drawn, and where. Knows neither Django nor SVG."""
