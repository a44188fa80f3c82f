variable "release" {
  description = "The folder that has the templates and zip files: of a release, or an app's cdk.out."
  type        = string
}

variable "bucket" {
  description = "An S3 bucket in the provider's Region, for the functions' code and the template."
  type        = string
}

variable "prefix" {
  description = "What the keys in the bucket begin with, before the stack's name: empty, or ending with a slash."
  type        = string
  default     = "centralized-root-access/"

  validation {
    condition     = can(regex("^(|.*/)$", var.prefix))
    error_message = "prefix must be empty, or end with a slash."
  }
}

variable "template" {
  description = "The template: its file's name without .template.json, such as root-tasks."
  type        = string
  default     = "root-access"
}

variable "name" {
  description = "The name of the stack."
  type        = string
}

variable "parameters" {
  description = "The template's parameters but for CodeBucket and CodePrefix; lists are separated by commas."
  type        = map(string)
  default     = {}
}

variable "tags" {
  description = "The tags of the stack, of its resources and of the objects in the bucket."
  type        = map(string)
  default     = {}
}

variable "iam_role_arn" {
  description = "The role that CloudFormation deploys by. Null: the provider's own permissions."
  type        = string
  default     = null
}
