# The controller as an image: docker build -t trimtab .
# It needs the engine's socket (or DOCKER_HOST) and a volume for its state; see manifests/.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
RUN python3 -m venv /opt/trimtab
COPY requirements/run.txt requirements/build.txt requirements/
# Its own layer: it is built again only when the locked packages change.
RUN /opt/trimtab/bin/python -m pip install --no-cache-dir --require-hashes --no-deps -r requirements/run.txt \
    && python3 -m venv /opt/build \
    && /opt/build/bin/python -m pip install --no-cache-dir --require-hashes --no-deps -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY controller controller
RUN /opt/build/bin/python -m hatchling build -t wheel -d dist \
    && /opt/trimtab/bin/python -m pip install --no-cache-dir --no-deps dist/*.whl

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="trimtab" \
      org.opencontainers.image.description="A GitOps controller for Docker" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install -y --no-install-recommends git openssh-client ca-certificates tini \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/trimtab /opt/trimtab
ENV PATH=/opt/trimtab/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TRIMTAB_DATA_DIR=/var/lib/trimtab
VOLUME /var/lib/trimtab
EXPOSE 8410
# git is run as a child for fetches; tini reaps it and hands signals on.
ENTRYPOINT ["tini", "--", "trimtab"]
CMD ["run", "--config", "/etc/trimtab/trimtab.yaml"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8410/healthz', timeout=4)"]
