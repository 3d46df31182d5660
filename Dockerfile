# Foretide in an image of its own: one process, no root.
FROM python:3.11.13-slim-bookworm

WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY client client
COPY streams streams
COPY models models
COPY actuators actuators
COPY lab lab
RUN pip install --no-cache-dir --no-deps --no-build-isolation ./client . \
 && useradd --uid 10001 --no-create-home foretide
USER 10001
EXPOSE 8080
ENTRYPOINT ["foretide"]
CMD ["worker"]
