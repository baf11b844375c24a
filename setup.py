"""Builds the compiled kernel. Where there is no compiler the build goes on without it, and the plain engine runs."""

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

KERNEL = "shard/marketfeed_shard/kernel"
MODULES = ("_tables", "_walk", "_engine", "_listener")


class BuildKernel(build_ext):
    """An absent compiler is a failed compilation, which an optional extension may have."""

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except FileNotFoundError as error:
            raise CompileError(f"no compiler: {error}") from error


def kernel() -> list[Extension]:
    from Cython.Build import cythonize

    extensions = [
        Extension(f"marketfeed_shard.kernel.{name}", [f"{KERNEL}/{name}.pyx"], extra_compile_args=["-O3"], optional=True)
        for name in MODULES
    ]
    return list(cythonize(extensions, language_level=3, build_dir="build/cython", include_path=["shard"]))


setup(ext_modules=kernel(), cmdclass={"build_ext": BuildKernel})
