# A machine with nothing but Python: the two commands of the README do the rest.
FROM python:3.11-bookworm
WORKDIR /vlm_misalign_ros
COPY . .
# DDS stays inside the container.
ENV ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
RUN make demo
RUN make test
ENTRYPOINT ["/vlm_misalign_ros/.venv/bin/vlm-misalign"]
CMD ["--help"]
