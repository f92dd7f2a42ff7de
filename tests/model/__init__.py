"""The model: a job, two workers or agents and two dispatchers, in every order in which things can happen."""
