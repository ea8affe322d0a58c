"""Trainers that make many shadow models at once; each proves itself against a plain fit before it is believed."""
