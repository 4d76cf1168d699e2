# Read by the scripts beside it: settings from BACKUP_ENV_FILE, or what is in the environment already where that is empty.
file=${BACKUP_ENV_FILE-/etc/truetrail/backup.env}
if [ -n "$file" ]; then
  set -a
  . "$file"
  set +a
fi
: "${BACKUP_URL:?is not set: s3://bucket/prefix/server}"
destination=${BACKUP_URL%/*}
server=${BACKUP_URL##*/}
# boto3 has names of its own for what the AWS SDKs call AWS_REGION and AWS_ENDPOINT_URL_S3
export AWS_DEFAULT_REGION="${AWS_DEFAULT_REGION:-${AWS_REGION:-}}"
[ -n "$AWS_DEFAULT_REGION" ] || unset AWS_DEFAULT_REGION
# what every program of barman-cloud is given; split into words
store="--cloud-provider aws-s3${AWS_ENDPOINT_URL_S3:+ --endpoint-url $AWS_ENDPOINT_URL_S3}"
# of those that write; a store that encrypts all it has, and knows no header for it, is told nothing
encryption="--encryption ${BACKUP_ENCRYPTION:-AES256}"
[ "${BACKUP_ENCRYPTION:-}" != off ] || encryption=
