"""The drawings of the pages: SVG, with lengths in per cent and colours by class."""
