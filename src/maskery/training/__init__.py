"""Training by recipes. The only folder that trains with torch."""
