import signal

from hypothesis import HealthCheck, settings

# How long a machine takes is no property of the code.
settings.register_profile("marketfeed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("marketfeed")

# Started in the background, a shell lets us ignore Ctrl-C, and all that we start would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
