variable "release" {
  description = "The folder that has the templates and zip files of a release."
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
  description = "The template: root-access, root-tasks, root-user-guardrail, root-session-guardrail or root-use-alarm."
  type        = string
  default     = "root-access"

  validation {
    condition = contains(
      ["root-access", "root-tasks", "root-user-guardrail", "root-session-guardrail", "root-use-alarm"], var.template
    )
    error_message = "template must be root-access, root-tasks, root-user-guardrail, root-session-guardrail or root-use-alarm."
  }
}

variable "name" {
  description = "The name of the stack."
  type        = string
}

variable "parameters" {
  description = "The template's parameters; each that is not listed has its default."
  type        = map(string)
  default     = {}

  validation {
    condition = contains(
      ["RootCredentialsManagement,RootSessions", "RootCredentialsManagement", "RootSessions", "none"],
      lookup(var.parameters, "Features", "none")
    )
    error_message = "Features must be RootCredentialsManagement,RootSessions, one of the two, or none."
  }

  validation {
    condition = can(regex(
      "^(unmanaged|none|[0-9]{12}(,[0-9]{12})*)$", lookup(var.parameters, "DelegatedAdministrators", "none")
    ))
    error_message = "DelegatedAdministrators must be unmanaged, none, or account IDs, separated by commas without spaces."
  }

  validation {
    condition     = can(regex("^(|[0-9]{12}(,[0-9]{12})*)$", lookup(var.parameters, "ProtectedAccounts", "")))
    error_message = "ProtectedAccounts must be empty, or account IDs, separated by commas without spaces."
  }
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
