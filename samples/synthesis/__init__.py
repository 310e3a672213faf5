"""Makes synthetic telephone calls: text → speech → telephone line → recording with known truth.

- `assets`: the voice model and the voice styles, joined or fetched once and verified.
- `voice`: text to speech (Kokoro-82M).
- `sounds`: ringback, busy tone, hold music, line noise.
- `telephone`: what a telephone line does to speech; G.711.
- `script`: what is said in a call, from YAML.
- `layout`: when it is said.
- `render`: all of it together; writes the recording, its metadata and its truth.

Everything is deterministic: the same script gives the same bytes.
"""
