"""The other process of the addon's check of shared memory, with PyTorch. Over standard streams, a JSON object a line:
first it offers a tensor of its own, 0 to 1023 in f32; then it is given a handle, checks that the memory holds 0 to N-1,
doubles it and answers. It ends with its input."""

import ctypes
import json
import sys

import torch

driver = ctypes.CDLL("libcuda.so.1")


class Handle(ctypes.Structure):
    _fields_ = [("reserved", ctypes.c_ubyte * 64)]


def check(status):
    if status != 0:
        raise RuntimeError(f"the driver says {status}")


def offer(tensor):
    """The handle names the whole allocation; the tensor lies somewhere inside."""
    base, size = ctypes.c_uint64(), ctypes.c_size_t()
    check(driver.cuMemGetAddressRange_v2(ctypes.byref(base), ctypes.byref(size), ctypes.c_uint64(tensor.data_ptr())))
    handle = Handle()
    check(driver.cuIpcGetMemHandle(ctypes.byref(handle), base))
    return {"handle": bytes(handle.reserved).hex(), "offset": tensor.data_ptr() - base.value, "count": tensor.numel()}


def double(given):
    handle, address, count = Handle(), ctypes.c_uint64(), given["count"]
    ctypes.memmove(handle.reserved, bytes.fromhex(given["handle"]), 64)
    # By value, as the driver's ABI has it; 1: peer access where it is needed.
    driver.cuIpcOpenMemHandle_v2.argtypes = [ctypes.c_void_p, Handle, ctypes.c_uint]
    check(driver.cuIpcOpenMemHandle_v2(ctypes.addressof(address), handle, 1))
    own = torch.empty(count, dtype=torch.float32, device="cuda")
    at = ctypes.c_uint64(address.value + given["offset"])
    copy = lambda to, source: check(driver.cuMemcpyDtoD_v2(to, source, ctypes.c_size_t(4 * count)))
    copy(ctypes.c_uint64(own.data_ptr()), at)
    torch.cuda.synchronize()
    same = torch.equal(own, torch.arange(count, device="cuda", dtype=torch.float32))
    own.mul_(2)
    torch.cuda.synchronize()
    copy(at, ctypes.c_uint64(own.data_ptr()))
    torch.cuda.synchronize()
    check(driver.cuIpcCloseMemHandle(address))
    return {"same": same}


def main():
    mine = torch.arange(1024, device="cuda", dtype=torch.float32)
    torch.cuda.synchronize()
    print(json.dumps(offer(mine)), flush=True)
    for line in sys.stdin:
        print(json.dumps(double(json.loads(line))), flush=True)


main()
