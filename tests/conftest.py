from hypothesis import HealthCheck, settings

# How long a machine takes is no property of the code.
settings.register_profile("marketfeed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("marketfeed")
