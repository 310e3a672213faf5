"""Many judged calls in a few figures, each with the number of calls that it rests on."""
