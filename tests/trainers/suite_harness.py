"""A v1 harness for verifiers that asks the model once; verifiers' own fetch programs from the network."""

import httpx2
import verifiers.v1 as vf  # noqa: F401 - loads what the next imports need
from verifiers.v1.configs.harness import HarnessConfig
from verifiers.v1.harness import Harness
from verifiers.v1.runtimes import ProgramResult

__all__ = ["SuiteHarness"]


class SuiteHarness(Harness[HarnessConfig]):
    """One request per rollout, through verifiers' endpoint."""

    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(self, ctx, trace, runtime, endpoint, secret, mcp_urls, data, tool_interception_url=None):  # noqa: PLR0917
        """Ask; the endpoint writes the trace."""
        body = {"model": ctx.model, "messages": [{"role": "user", "content": data.prompt}]}
        async with httpx2.AsyncClient(timeout=120) as client:
            response = await client.post(
                f"{endpoint.rstrip('/')}/chat/completions", headers={"Authorization": f"Bearer {secret}"}, json=body
            )
        is_fine = response.status_code == 200
        return ProgramResult(0 if is_fine else 1, response.text, "" if is_fine else response.text)
