# One image for every part of Rainer: `rainer serve`, `rainer mirror`, `rainer publish` and the command line.
FROM python:3.13-slim AS build
WORKDIR /build
COPY . .
RUN pip install --no-cache-dir --prefix=/install --constraint constraints.txt '.[all]'

FROM python:3.13-slim
COPY --from=build /install /usr/local
RUN useradd --system --create-home --home-dir /var/lib/rainer --shell /usr/sbin/nologin rainer
USER rainer
# Whoever reaches the port is asked who he is: give RAINER_BOOTSTRAP_TOKEN to begin with.
ENV RAINER_HOST=0.0.0.0 RAINER_IDENTITY=on RAINER_PORT=8080 RAINER_DATA_DIR=/var/lib/rainer RAINER_LOG_FORMAT=json
VOLUME /var/lib/rainer
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=6 \
    CMD ["python", "-c", "import os, ssl, urllib.request as u; e = os.environ.get; \
s = 'https' if e('RAINER_TLS_CERTIFICATE') else 'http'; port = e('RAINER_PORT', '8080'); \
u.urlopen(f'{s}://127.0.0.1:{port}/-/healthz', timeout=2, context=ssl._create_unverified_context())"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["rainer"]
CMD ["serve"]
