"""The reference device: what a maker would port. Needs PyNaCl, cbor2 and tqdm; knows nothing of the server's inside.

python -m devices.agent enrol --server https://market.example --code XXXX-XXXX
python -m devices.agent send FILE.csv --time time --map "temp=air_temperature:Cel"
python -m devices.agent simulate --kind weather_station
"""
