"""The C ABI through ctypes: the CUDA object, and the CPU library that it is compared with."""

import ctypes
from ctypes import byref, c_char_p, c_int32, c_int64, c_size_t, c_void_p

import lapidary_structs as lap

ABI_VERSION = 2


class MissingSymbol(Exception):
    """The header declares it, the object does not have it."""


class CallFailed(Exception):
    def __init__(self, name, status, message):
        super().__init__(f"{name}: status {status}: {message}")
        self.status = status


def pointer(memory):
    """The address of a tensor, of an address as it is, or NULL."""
    if memory is None or isinstance(memory, int):
        return memory
    return memory.data_ptr()


def function(library, name, *arguments, result=c_int32):
    try:
        found = getattr(library, name)
    except AttributeError:
        raise MissingSymbol(f"{name} is not in this object") from None
    found.argtypes, found.restype = list(arguments), result
    return found


class Context:
    """What both halves of the ABI share: calls on a context, checked."""

    prefix = "lap_"

    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.handle = c_void_p()
        version = function(self.library, self.prefix + "abi_version")()
        if version != ABI_VERSION:
            raise CallFailed(self.prefix + "abi_version", version, f"expected {ABI_VERSION}")

    def has(self, name):
        return hasattr(self.library, self.prefix + name)

    def message(self):
        read = function(self.library, self.prefix + "error_message", c_void_p, result=c_char_p)
        return read(self.handle).decode()

    def call(self, name, *arguments):
        """`arguments` as ctypes has them; structs are passed by reference."""
        full = self.prefix + name
        types = [c_void_p if isinstance(a, ctypes.Structure) else type(a) for a in arguments]
        found = function(self.library, full, c_void_p, *types)
        given = [ctypes.addressof(a) if isinstance(a, ctypes.Structure) else a for a in arguments]
        status = found(self.handle, *given)
        if status != lap.OK:
            raise CallFailed(full, status, self.message())

    def size(self, name, *arguments):
        """A size query: the last argument of its function is a size_t*."""
        bytes_ = c_size_t()
        self.call(name, *arguments, ctypes.cast(byref(bytes_), c_void_p))
        return bytes_.value

    def close(self):
        function(self.library, self.prefix + "context_destroy", c_void_p, result=None)(self.handle)
        self.handle = c_void_p()


class Cpu(Context):
    """lapidary_cpu: the CPU's kernels, whose policy loss works in double."""

    def __init__(self, path, threads=0):
        super().__init__(path)
        options = lap.ContextOptions(threads=threads)
        create = function(self.library, "lap_context_create", c_void_p, c_void_p)
        status = create(ctypes.addressof(options), ctypes.addressof(self.handle))
        if status != lap.OK:
            raise CallFailed("lap_context_create", status, "")


class Cuda(Context):
    """lapidary_cuda, or the SIMT object in its place."""

    prefix = "lap_cuda_"

    def __init__(self, path, stream=None, device=0):
        super().__init__(path)
        reason = c_char_p()
        count = function(self.library, "lap_cuda_device_count", c_void_p)(ctypes.addressof(reason))
        if count == 0:
            raise CallFailed("lap_cuda_device_count", 0, (reason.value or b"no reason given").decode())
        create = function(self.library, "lap_cuda_context_create", c_int32, c_void_p, c_void_p)
        status = create(device, stream, ctypes.addressof(self.handle))
        if status != lap.OK:
            raise CallFailed("lap_cuda_context_create", status, f"device {device}")

    def describe(self, device=0):
        out = lap.Device()
        describe = function(self.library, "lap_cuda_device_describe", c_int32, c_void_p)
        status = describe(device, ctypes.addressof(out))
        if status != lap.OK:
            raise CallFailed("lap_cuda_device_describe", status, f"device {device}")
        return {
            "name": out.name.decode(),
            "capability": f"{out.major}.{out.minor}",
            "multiprocessors": out.multiprocessors,
            "memory": out.memory_bytes,
        }

    def products(self):
        """What multiplies matrices: cuBLASLt and its version, or why the object's own products do."""
        if not self.has("context_gemm"):
            return "not known"
        ask = function(self.library, "lap_cuda_context_gemm", c_void_p, result=c_char_p)
        return ask(self.handle).decode()

    def synchronize(self):
        self.call("synchronize")

    def allocate(self, size):
        out = c_void_p()
        self.call("allocate", c_size_t(size), ctypes.cast(byref(out), c_void_p))
        return out.value

    def free(self, memory):
        self.call("free", c_void_p(memory))

    def upload(self, memory, data):
        """`data`: bytes."""
        self.call("upload", c_void_p(memory), ctypes.cast(c_char_p(data), c_void_p), c_size_t(len(data)))

    def download(self, memory, size):
        out = ctypes.create_string_buffer(size)
        self.call("download", ctypes.cast(out, c_void_p), c_void_p(memory), c_size_t(size))
        return out.raw

    def kept_bytes(self, rows, vocab, dtype):
        return self.size("linear_logprobs_kept_bytes", c_int64(rows), c_int64(vocab), c_int32(dtype))
