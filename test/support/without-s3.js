// Plain JavaScript: ./global-setup.js needs it as well.

/** Says that there is no real S3 to test with, once in a run: what runs before all tests has it said for them. */
export function tellOnceIfWithoutS3() {
  if (process.env.AWS_ENDPOINT_URL_S3 !== undefined || process.env.TEST_WITHOUT_S3_TOLD !== undefined) return;
  process.env.TEST_WITHOUT_S3_TOLD = '1';
  process.stderr.write(
    'skipped: tests on a real S3 (AWS_ENDPOINT_URL_S3 is not set); what can be is run on a folder\n',
  );
}
