"""Builds the compiled kernel. Where there is no compiler the build goes on without it, and the plain engine runs."""

from setuptools import Extension, setup

KERNEL = "shard/marketfeed_shard/kernel"


def kernel() -> list[Extension]:
    from Cython.Build import cythonize

    extension = Extension(
        "marketfeed_shard.kernel._engine",
        [f"{KERNEL}/_engine.pyx"],
        extra_compile_args=["-O3"],
        optional=True,
    )
    return list(cythonize([extension], language_level=3, build_dir="build/cython"))


setup(ext_modules=kernel())
