#!/usr/bin/env bash
# Builds the image, pushes it and deploys the service.  PROJECT=my-project REGION=europe-west1 ./deploy.sh
set -euo pipefail
cd "$(dirname "$0")"
: "${PROJECT:?Set PROJECT to your Google Cloud project}" "${REGION:?Set REGION, europe-west1 say}"
REPOSITORY=${REPOSITORY:-maskery}
IMAGE="$REGION-docker.pkg.dev/$PROJECT/$REPOSITORY/@{name}:@{version}"
gcloud artifacts repositories describe "$REPOSITORY" --project "$PROJECT" --location "$REGION" >/dev/null 2>&1 \
    || gcloud artifacts repositories create "$REPOSITORY" --project "$PROJECT" --location "$REGION" --repository-format docker
gcloud auth configure-docker "$REGION-docker.pkg.dev" --quiet
docker build --platform linux/amd64 -t "$IMAGE" image
docker push "$IMAGE"
service=$(mktemp)
trap 'rm -f "$service"' EXIT
sed "s|image: IMAGE|image: $IMAGE|" service.yaml > "$service"
gcloud run services replace "$service" --project "$PROJECT" --region "$REGION"
gcloud run services describe @{name} --project "$PROJECT" --region "$REGION" --format 'value(status.url)'
