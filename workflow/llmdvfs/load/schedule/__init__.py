"""The plan of a load: what is asked and when, all of it drawn before anything is sent."""
