"""Scenarios for people: explained in sentences, drawn as charts. Made from the plan; nothing here runs anything."""
