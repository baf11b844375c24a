"""Builds the compiled kernel. Where there is no compiler the build goes on without it, and the plain engine runs."""

from importlib.metadata import version

from setuptools import Extension, setup

SHARD = "shard/marketfeed_shard"
MODULES = (
    *(f"kernel.{name}" for name in ("_tables", "_walk", "_topics", "_records", "_engine", "_listener")),
    "publishers._framing",
    "books._book",
    "state._marks",
    "streams._recent",
)


def kernel() -> list[Extension]:
    from Cython.Build import cythonize

    sources = [
        Extension(
            f"marketfeed_shard.{name}",
            [f"{SHARD}/{name.replace('.', '/')}.pyx"],
            define_macros=[("MARKETFEED_PICOWS", f'"{version("picows")}"')],
            extra_compile_args=["-O3"],
        )
        for name in MODULES
    ]
    extensions = list(cythonize(sources, language_level=3, build_dir="build/cython", include_path=["shard"]))
    for extension in extensions:
        extension.optional = True  # here, because cythonize does not take it over
    return extensions


setup(ext_modules=kernel())
