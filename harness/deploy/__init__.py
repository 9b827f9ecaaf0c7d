"""What sparsity is worth on a machine: how fast a kept network runs where its zeros are left out, and how small it is.

`harness.deploy.network` measures a network: each masked layer in every format that torch has for it
(`harness.deploy.formats`), checked against dense, then the whole network with the fastest formats. The result is a
deployment (`harness.records.deployments`).
"""
