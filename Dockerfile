# One image for every program of the product; docker-compose.yml says which of them a container runs.

FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# The dependencies come first: they change less often than the code, and are then taken from the cache.
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE celeryconfig.py flowerconfig.py ./
RUN pip install --constraint constraints.txt '.[calendars,channels,floor,flower,sms]'
COPY hms hms
COPY hms_act hms_act
COPY hms_floor hms_floor
COPY hms_oms hms_oms
COPY hms_ops hms_ops
COPY workers workers
RUN pip install --no-deps --force-reinstall .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/hms --create-home --shell /usr/sbin/nologin hms
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HMS_HOME=/var/lib/hms
WORKDIR /var/lib/hms
USER 10001
VOLUME /var/lib/hms
CMD ["hms", "--help"]
