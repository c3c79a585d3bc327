"""Record what a stream is given as a CUDA graph and launch it in one call."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from edge_affect.errors import RunnerError
from edge_affect.runners.tensorrt.cuda_calls import CudaRuntime, Stream
from edge_affect.runners.tensorrt.libraries import cuda_value


class CapturedGraph:
    """Work of one stream, recorded once; launched as a whole."""

    def __init__(
        self, calls: CudaRuntime, stream: Stream, enqueue: Callable[[], None]
    ) -> None:
        """Record what ``enqueue`` gives to ``stream``; nothing of it runs now.

        The capture is this thread's: other threads may go on using the GPU.

        Raises:
            RunnerError: CUDA cannot capture it.
        """
        self._calls = calls
        mode = calls.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        begun = calls.cudaStreamBeginCapture(stream.handle, mode)
        cuda_value("cudaStreamBeginCapture", begun)
        try:
            enqueue()
        except BaseException:
            # The stream must not stay in capture: nothing else could be given to it.
            with contextlib.suppress(RunnerError):
                calls.cudaGraphDestroy(self._end(stream))
            raise
        graph = self._end(stream)
        try:
            made = calls.cudaGraphInstantiate(graph, 0)
            self._executable: object = cuda_value("cudaGraphInstantiate", made)
        finally:
            calls.cudaGraphDestroy(graph)

    def _end(self, stream: Stream) -> object:
        ended = self._calls.cudaStreamEndCapture(stream.handle)
        graph: object = cuda_value("cudaStreamEndCapture", ended)
        return graph

    def launch(self, stream: Stream) -> None:
        """Give the recorded work to ``stream``.

        Raises:
            RunnerError: CUDA refused it.
        """
        launched = self._calls.cudaGraphLaunch(self._executable, stream.handle)
        cuda_value("cudaGraphLaunch", launched)

    def destroy(self) -> None:
        """Free it."""
        self._calls.cudaGraphExecDestroy(self._executable)
