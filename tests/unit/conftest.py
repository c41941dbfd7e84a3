from hypothesis import settings

# The same examples every time, without a deadline (machines differ) and without a folder of old ones.
settings.register_profile("fsapp", derandomize=True, deadline=None, database=None)
settings.load_profile("fsapp")
