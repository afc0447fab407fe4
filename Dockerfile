# Service and worker in one image; the command chooses. Build with --build-arg TORCH=cu126 for NVIDIA GPUs.
FROM python:3.11-slim
ARG TORCH=cpu
RUN useradd --create-home --uid 10001 sonic
WORKDIR /app
COPY pyproject.toml README.md LICENSE constraints.txt ./
RUN pip install --no-cache-dir -c constraints.txt --index-url "https://download.pytorch.org/whl/${TORCH}" torch
COPY sonic_core ./sonic_core
COPY workflows ./workflows
RUN pip install --no-cache-dir -c constraints.txt '.[storage,s3,fleet,provenance]'
USER 10001
# Photos and voices under work lie in TMPDIR: mount it in memory (compose.yaml does).
ENV PYTHONUNBUFFERED=1 TMPDIR=/tmp
EXPOSE 8000
ENTRYPOINT ["python", "-m", "sonic_core"]
CMD ["serve", "--host", "0.0.0.0"]
