"""The reference device: what a maker would port. Needs PyNaCl, cbor2 and tqdm; knows nothing of the server's inside.

.venv/bin/python -m devices.agent enrol --server https://market.example --code XXXX-XXXX
.venv/bin/python -m devices.agent send FILE.csv --time time --map "temp=air_temperature:Cel"
.venv/bin/python -m devices.agent simulate --kind weather_station
"""
