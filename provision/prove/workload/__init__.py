"""Train a Keras Sequential model and record where it ran. Recorded, never judged: the judge sits on the host.

Runs inside the container that is to be verified, so it needs nothing but the standard library and the framework:
Python 3.9 to 3.13; TensorFlow 2.10 to 2.22 (Keras 2 and 3), or Keras 3 on JAX or torch. The last line on stdout is
``KGPU-ENV-RESULT <nonce> <json>``; everything else goes to stderr.

It travels as one argument of ``python -c`` (`zipapp.source`), and runs by itself as ``python provision/prove/workload
[SPEC]`` or as one file: ``python -m provision.prove.workload --pack workload.pyz`` makes it, ``python workload.pyz
[SPEC]`` runs it. SPEC is JSON with the keys of `main.DEFAULTS`.
"""
