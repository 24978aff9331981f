# The controller as an image: docker build -t trimtab .
# It needs the engine's socket (or DOCKER_HOST) and a volume for its state; see manifests/ and docs/guide/self.md.
#   --build-arg PYTHON_IMAGE=...   a base of your own, with Python 3.11 or newer and its venv and pip; of Debian's kind,
#                                  unless it brings git, ssh and tini already
#   --build-arg PIP_INDEX_URL=...  a package index of your own; or none at all: what lies in requirements/wheels
#                                  (pip download -d requirements/wheels ...) is installed without asking any
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
# What is shipped has no pip: the base's installs into it.
RUN python3 -m venv --without-pip /opt/trimtab && python3 -m venv --without-pip /opt/build
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements requirements
# Its own layer: it is built again only when the locked packages change.
RUN if [ -d requirements/wheels ]; then export PIP_NO_INDEX=1 PIP_FIND_LINKS=/src/requirements/wheels; fi \
    && python3 -m pip --python /opt/trimtab install --require-hashes --no-deps -r requirements/run.txt \
    && python3 -m pip --python /opt/build install --require-hashes --no-deps -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY controller controller
# Compiled is what a controller imports: it could not keep that itself, in a container that is read-only.
RUN /opt/build/bin/python -m hatchling build -t wheel -d dist \
    && python3 -m pip --python /opt/trimtab install --no-index --no-deps dist/*.whl \
    && /opt/trimtab/bin/python -c 'import trimtab.cli.run, trimtab.cli.hand_over, trimtab.backends.engine.driver, \
trimtab.backends.engine.exchange, trimtab.web.server, trimtab.wiring.controller, docker'

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="trimtab" \
      org.opencontainers.image.description="A GitOps controller for Docker" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN if ! { command -v git && command -v ssh && command -v tini; }; then \
        apt-get update \
        && apt-get install -y --no-install-recommends git openssh-client ca-certificates tini \
        && rm -rf /var/lib/apt/lists/*; \
    fi
# For those who give it the group of the engine's socket: --user trimtab --group-add $(stat -c %g /var/run/docker.sock).
RUN echo 'trimtab:x:10001:10001:trimtab:/var/lib/trimtab:/bin/sh' >>/etc/passwd \
    && echo 'trimtab:x:10001:' >>/etc/group \
    && mkdir -p /var/lib/trimtab \
    && chown 10001:10001 /var/lib/trimtab
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
