variable "release" {
  description = "The folder that has the templates and zip files of a release."
  type        = string
}

variable "bucket" {
  description = "An S3 bucket in the provider's Region, for the functions' code and the templates."
  type        = string
}

variable "prefix" {
  description = "What the keys in the bucket begin with: empty, or ending with a slash."
  type        = string
  default     = "centralized-root-access/"
}

variable "features" {
  description = "The features to enable. Any other is disabled for the whole organization."
  type        = set(string)
  default     = ["RootCredentialsManagement", "RootSessions"]
}

variable "delegated_administrators" {
  description = "The member accounts to register for IAM; any other is deregistered. Null: they stay as they are."
  type        = set(string)
  default     = null
}

variable "repair" {
  description = "Whether the drift check enables again what was disabled."
  type        = bool
  default     = false
}

variable "notification_topic_arn" {
  description = "The SNS topic for alarms and notices, or null. Its policy must allow cloudwatch.amazonaws.com to publish."
  type        = string
  default     = null
}
