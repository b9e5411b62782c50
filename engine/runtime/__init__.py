"""Plan and bundle to result: interpreter, run states, effects, runner, clock; and the outside world of runs."""
