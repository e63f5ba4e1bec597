"""Attention to what people do: activities, sessions, events and teams of agents."""
