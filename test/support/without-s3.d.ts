export function tellOnceIfWithoutS3(): void;
