FROM python:3.11-slim
WORKDIR /affectline
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN pip install --no-cache-dir --no-deps -e . && useradd --create-home affectline && mkdir -p data/local && chown -R affectline data/local
USER affectline
VOLUME /affectline/data/local
# Loopback only until sign-in is configured: run with --network host, or put a proxy with TLS in the same network namespace.
EXPOSE 8501
CMD ["affectline", "serve"]
